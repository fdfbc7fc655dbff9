!> Diffusivity of soil carbon: bioturbation, cryoturbation, frozen soil, bedrock.
!>
!> CTSM: first part of SoilBiogeochemLittVertTransp; CLM5 tech note, chapter Decomposition, section Vertical
!> Distribution and Transport of Decomposing C and N pools.
module ctsm_diffusivity
   use kinds, only: dp
   use soil_grid, only: n_layers, interface_depth
   use ctsm_parameters, only: ctsm_scheme
   implicit none (type, external)
   private

   public :: mixing_profile, evaluate_mixing

   !> Evaluated at the bottom of level j, but the model uses it as the value of node j.
   type :: mixing_profile
      !> m2 s-1, m s-1
      real(dp), dimension(n_layers + 1) :: diffusivity, velocity
   end type mixing_profile

contains

   !> Mixing of one column from the deepest thaw of this and last year (m); nothing below level nbedrock + 1.
   pure subroutine evaluate_mixing(scheme, thaw, nbedrock, mixing)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: thaw
      integer, intent(in) :: nbedrock
      type(mixing_profile), intent(out) :: mixing
      integer :: deepest

      deepest = nbedrock + 1
      mixing%diffusivity = 0.0_dp
      mixing%velocity = 0.0_dp
      if (thaw <= 0.0_dp) return
      if (thaw <= scheme%parameters%max_altdepth_cryoturbation) then
         call cryoturbation(scheme, thaw, deepest, mixing%diffusivity)
      else
         mixing%diffusivity(:deepest) = scheme%parameters%som_diffus
         mixing%velocity(:deepest) = scheme%parameters%som_adv_flux
      end if
   end subroutine evaluate_mixing

   !> Constant through the active layer, then falling linearly to zero at a fixed depth or at bedrock; where it
   !> would end where it begins, the model's 0/0 becomes zero.
   pure subroutine cryoturbation(scheme, thaw, deepest, diffusivity)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: thaw
      integer, intent(in) :: deepest
      real(dp), intent(inout) :: diffusivity(n_layers + 1)
      real(dp) :: end_of_mixing
      integer :: j

      end_of_mixing = min(scheme%parameters%max_depth_cryoturb, interface_depth(deepest))
      do j = 1, deepest
         if (interface_depth(j) < thaw) then
            diffusivity(j) = scheme%parameters%cryoturb_diffusion_k
         else if (abs(end_of_mixing - thaw) > 0.0_dp) then
            diffusivity(j) = max(scheme%parameters%cryoturb_diffusion_k &
                                 *(1.0_dp - (interface_depth(j) - thaw)/(end_of_mixing - thaw)), 0.0_dp)
         end if
      end do
   end subroutine cryoturbation

end module ctsm_diffusivity
