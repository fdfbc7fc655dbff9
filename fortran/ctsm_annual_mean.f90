!> Mean coefficients of a CTSM scheme over the records of a climatology.
!>
!> Everything is linear in the pools, so the state in which the mean losses, transfers, transport and input of
!> a year balance follows from mean coefficients. The lower boundary is closed: for short steps, the
!> carbon that enters bedrock through the model's open boundary and is moved back after the step vanishes.
module ctsm_annual_mean
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, layer_thickness
   use ctsm_parameters, only: ctsm_scheme, i_cwd
   use ctsm_forcing, only: soil_column, soil_forcing, state_of, fpi_of, thaw_of, input_of
   use ctsm_rates, only: environment_scalars, evaluate_scalars, decomposition_rates, spinup_terms
   use ctsm_cascade, only: cascade_fractions, n_transitions, donor, evaluate_fractions, nitrogen_factor
   use ctsm_diffusivity, only: mixing_profile, evaluate_mixing
   use ctsm_transport, only: face_exchange
   implicit none (type, external)
   private

   public :: annual_mean, evaluate_annual_mean, folded_input, clear

   type :: annual_mean
      integer :: nbedrock
      !> Share of the donor that takes each transition a second, and the fraction of that which is respired.
      real(dp), dimension(n_layers, n_transitions) :: loss, respired
      !> Share of a level that moves to the next level down or up a second.
      real(dp), dimension(n_layers, n_pools) :: downward, upward
      !> gC m-2 s-1
      real(dp) :: input(n_layers, n_pools)
   end type annual_mean

contains

   !> `weight` is the share of the year that each record stands for.
   pure subroutine evaluate_annual_mean(scheme, column, forcing, c, weight, mean)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c
      real(dp), intent(in) :: weight(:)
      type(annual_mean), intent(out) :: mean
      type(cascade_fractions) :: fractions
      real(dp) :: spinup(n_pools)
      integer :: record

      call evaluate_fractions(scheme, column%sand, fractions)
      spinup = spinup_terms(scheme, column%latitude)
      mean%nbedrock = column%nbedrock
      call clear(mean)
      mean%respired = fractions%respired
      do record = 1, size(weight)
         call add_losses(scheme, column, forcing, c, record, weight(record), fractions, spinup, mean%loss)
         call add_exchange(scheme, column, forcing, c, record, weight(record), spinup, mean)
         mean%input = mean%input + weight(record)*folded_input(input_of(forcing, c, record), column%nbedrock)
      end do
   end subroutine evaluate_annual_mean

   pure subroutine clear(mean)
      type(annual_mean), intent(inout) :: mean

      mean%loss = 0.0_dp
      mean%respired = 0.0_dp
      mean%downward = 0.0_dp
      mean%upward = 0.0_dp
      mean%input = 0.0_dp
   end subroutine clear

   pure subroutine add_losses(scheme, column, forcing, c, record, weight, fractions, spinup, loss)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      real(dp), intent(in) :: weight, spinup(n_pools)
      type(cascade_fractions), intent(in) :: fractions
      real(dp), intent(inout) :: loss(n_layers, n_transitions)
      type(environment_scalars) :: scalars
      real(dp) :: rate(n_layers, n_pools), nitrogen(n_layers, n_transitions)
      integer :: k

      call evaluate_scalars(scheme, state_of(forcing, c, record), scalars)
      call decomposition_rates(scheme, scalars, spinup, rate)
      call nitrogen_factor(scheme, fractions, column%donor_cn, fpi_of(forcing, c, record), nitrogen)
      do k = 1, n_transitions
         loss(:, k) = loss(:, k) + weight*rate(:, donor(k))*fractions%path(:, k)*nitrogen(:, k)
      end do
   end subroutine add_losses

   pure subroutine add_exchange(scheme, column, forcing, c, record, weight, spinup, mean)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      real(dp), intent(in) :: weight, spinup(n_pools)
      type(annual_mean), intent(inout) :: mean
      type(mixing_profile) :: mixing
      real(dp) :: downward(n_layers), upward(n_layers)
      integer :: pool

      call evaluate_mixing(scheme, thaw_of(forcing, c, record), column%nbedrock, mixing)
      call face_exchange(mixing%diffusivity, mixing%velocity, column%nbedrock, downward, upward)
      do pool = i_cwd + 1, n_pools
         mean%downward(:, pool) = mean%downward(:, pool) + weight*spinup(pool)*downward/layer_thickness
         mean%upward(:, pool) = mean%upward(:, pool) + weight*spinup(pool)*upward/layer_thickness
      end do
   end subroutine add_exchange

   !> Input a layer (gC m-2 s-1); what is put below bedrock goes to the last level above it.
   pure function folded_input(density, nbedrock) result(input)
      real(dp), intent(in) :: density(n_layers, n_pools)
      integer, intent(in) :: nbedrock
      real(dp) :: input(n_layers, n_pools)
      integer :: pool

      do pool = 1, n_pools
         input(:, pool) = density(:, pool)*layer_thickness
         input(nbedrock, pool) = sum(input(nbedrock:, pool))
         input(nbedrock + 1:, pool) = 0.0_dp
      end do
   end function folded_input

end module ctsm_annual_mean
