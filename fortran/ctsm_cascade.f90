!> The decomposition cascade of the CTSM schemes: ten transitions, their path and respired fractions,
!> nitrogen limitation, and the carbon fluxes along them.
!>
!> CTSM: SoilBiogeochemDecompCascadeBGCMod (fractions), SoilBiogeochemPotentialMod and
!> SoilBiogeochemDecompMod (fluxes), CNCStateUpdate1Mod (sources and sinks). CLM5 tech note, chapter Decomposition,
!> sections Century-based Pool Structure, N-limitation of Decomposition Fluxes and Final Decomposition Fluxes.
module ctsm_cascade
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools
   use ctsm_parameters, only: ctsm_scheme, i_cwd, i_l1, i_l2, i_l3, i_s1, i_s2, i_s3
   implicit none (type, external)
   private

   public :: n_transitions, donor, receiver
   public :: cascade_fractions, cascade_fluxes
   public :: evaluate_fractions, evaluate_fluxes, add_sources_and_sinks, nitrogen_factor

   integer, parameter :: n_transitions = 10
   !> L1S1 L2S1 L3S2 S1S2 S1S3 S2S1 S2S3 S3S1 CWDL2 CWDL3, in CTSM's order.
   integer, parameter :: donor(n_transitions) = [i_l1, i_l2, i_l3, i_s1, i_s1, i_s2, i_s2, i_s3, i_cwd, i_cwd]
   integer, parameter :: receiver(n_transitions) = [i_s1, i_s1, i_s2, i_s2, i_s3, i_s1, i_s3, i_s1, i_l2, i_l3]

   type :: cascade_fractions
      !> Share of the donor's loss that takes the transition, and of that what is respired.
      real(dp), dimension(n_layers, n_transitions) :: path, respired
   end type cascade_fractions

   type :: cascade_fluxes
      !> gC m-3 s-1
      real(dp), dimension(n_layers, n_transitions) :: respiration, transfer
   end type cascade_fluxes

contains

   !> Path and respired fractions; those of S1 depend on sand (percent).
   pure subroutine evaluate_fractions(scheme, sand, fractions)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: sand(n_layers)
      type(cascade_fractions), intent(out) :: fractions
      real(dp) :: respired_s1(n_layers)

      associate (p => scheme%parameters, path => fractions%path, respired => fractions%respired)
         respired_s1 = 0.85_dp - 0.68_dp*0.01_dp*(100.0_dp - sand)
         path(:, 1:3) = 1.0_dp
         path(:, 4) = 1.0_dp - 0.004_dp/(1.0_dp - respired_s1)
         path(:, 5) = 0.004_dp/(1.0_dp - respired_s1)
         path(:, 6) = 0.42_dp/0.45_dp
         path(:, 7) = 0.03_dp/0.45_dp
         path(:, 8) = 1.0_dp
         path(:, 9) = p%cwd_fcel
         path(:, 10) = p%cwd_flig
         respired(:, 1) = p%rf_l1s1
         respired(:, 2) = p%rf_l2s1
         respired(:, 3) = p%rf_l3s2
         respired(:, 4) = respired_s1
         respired(:, 5) = respired_s1
         respired(:, 6) = p%rf_s2s1
         respired(:, 7) = p%rf_s2s3
         respired(:, 8) = p%rf_s3s1
         respired(:, 9) = p%rf_cwdl2
         respired(:, 10) = p%rf_cwdl3
      end associate
   end subroutine evaluate_fractions

   !> What nitrogen leaves of each transition (1): fpi where the transition demands mineral nitrogen, 1 elsewhere.
   !>
   !> A transition into a pool of fixed C:N demands when 1 - respired - CN_receiver/CN_donor > 0. A donor
   !> C:N of zero stands for a pool without nitrogen, whose ratio CTSM takes as 0. Woody debris is never limited.
   pure subroutine nitrogen_factor(scheme, fractions, donor_cn, fpi, factor)
      type(ctsm_scheme), intent(in) :: scheme
      type(cascade_fractions), intent(in) :: fractions
      real(dp), intent(in) :: donor_cn(n_pools)
      real(dp), intent(in) :: fpi(n_layers)
      real(dp), intent(out) :: factor(n_layers, n_transitions)
      real(dp) :: cn(n_pools), ratio
      integer :: k

      cn = donor_cn
      where (donor_cn(i_s1:i_s3) > 0.0_dp) cn(i_s1:i_s3) = fixed_cn(scheme)
      factor = 1.0_dp
      do k = 1, n_transitions
         if (donor(k) == i_cwd) cycle
         ratio = 0.0_dp
         if (cn(donor(k)) > 0.0_dp) ratio = receiver_cn(scheme, receiver(k))/cn(donor(k))
         where (1.0_dp - fractions%respired(:, k) - ratio > 0.0_dp) factor(:, k) = fpi
      end do
   end subroutine nitrogen_factor

   pure function fixed_cn(scheme) result(cn)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp) :: cn(i_s1:i_s3)

      cn = [scheme%parameters%cn_s1, scheme%parameters%cn_s2, scheme%parameters%cn_s3]
   end function fixed_cn

   pure function receiver_cn(scheme, pool) result(cn)
      type(ctsm_scheme), intent(in) :: scheme
      integer, intent(in) :: pool
      real(dp) :: cn, soil_cn(i_s1:i_s3)

      soil_cn = fixed_cn(scheme)
      cn = soil_cn(pool)
   end function receiver_cn

   !> Respiration and transfer of every transition; a pool that is not positive gives nothing.
   pure subroutine evaluate_fluxes(pools, rate, fractions, nitrogen, fluxes)
      real(dp), intent(in) :: pools(n_layers, n_pools), rate(n_layers, n_pools)
      type(cascade_fractions), intent(in) :: fractions
      real(dp), intent(in) :: nitrogen(n_layers, n_transitions)
      type(cascade_fluxes), intent(out) :: fluxes
      real(dp) :: loss(n_layers)
      integer :: k

      do k = 1, n_transitions
         associate (from => donor(k), respired => fractions%respired(:, k))
            loss = max(pools(:, from), 0.0_dp)*rate(:, from)*fractions%path(:, k)*nitrogen(:, k)
            fluxes%respiration(:, k) = respired*loss
            fluxes%transfer(:, k) = (1.0_dp - respired)*loss
         end associate
      end do
   end subroutine evaluate_fluxes

   !> Change of each pool over a step by input and decomposition, before transport (gC m-3).
   pure subroutine add_sources_and_sinks(input, fluxes, dt, change)
      real(dp), intent(in) :: input(n_layers, n_pools), dt
      type(cascade_fluxes), intent(in) :: fluxes
      real(dp), intent(out) :: change(n_layers, n_pools)
      integer :: k

      ! The model adds the input of coarse woody debris after what decomposes, all other inputs before it.
      change = input*dt
      change(:, i_cwd) = 0.0_dp
      do k = 1, n_transitions
         change(:, donor(k)) = change(:, donor(k)) - (fluxes%respiration(:, k) + fluxes%transfer(:, k))*dt
         change(:, receiver(k)) = change(:, receiver(k)) + fluxes%transfer(:, k)*dt
      end do
      change(:, i_cwd) = change(:, i_cwd) + input(:, i_cwd)*dt
   end subroutine add_sources_and_sinks

end module ctsm_cascade
