!> Posterior density of the 21 parameters at one site: their prior within the bounds, times the likelihood of a profile.
module site_density
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_months
   use proda_parameters, only: n_parameters
   use proda_forcing, only: n_climate, n_input
   use proda_transport, only: n_exchange
   use proda_coefficients, only: assemble_lane, assemble_lane_slopes, complete_block
   use column_block, only: block_coefficients, block_slopes, block_factors, block_solution
   use steady_state, only: solve_steady_state, soil_carbon_of
   use steady_state_adjoint, only: block_gradient, solve_adjoint, parameter_gradient
   use profile_likelihood, only: profile
   use target_density, only: density
   implicit none (type, external)
   private

   public :: site_posterior

   !> The density of the parameters' places between their bounds, in the unit cube.
   type, extends(density) :: site_posterior
      real(dp) :: climate(n_layers, n_months, n_climate)
      real(dp) :: exchange(n_layers, n_exchange)
      real(dp) :: input(n_input)
      real(dp) :: lower(n_parameters), width(n_parameters)   !< bounds, physical units
      real(dp) :: prior_centre(n_parameters)                 !< of a normal prior, in the unit cube
      real(dp) :: prior_precision(n_parameters)              !< 1/variance of the same; 0 where the prior is uniform
      class(profile), allocatable :: observations
      type(block_coefficients), private :: coefficients
      type(block_slopes), private :: slopes
      type(block_factors), private :: factors
      type(block_solution), private :: solution
      type(block_gradient), private :: gradient
   contains
      procedure :: evaluate
      procedure, private :: evaluate_block
      procedure, private :: evaluate_block_gradient
      procedure, private :: add_prior
   end type site_posterior

contains

   subroutine evaluate(self, points, cost, gradient)
      class(site_posterior), intent(inout) :: self
      real(dp), intent(in) :: points(:, :)
      real(dp), intent(out) :: cost(:)
      real(dp), intent(out), optional :: gradient(:, :)
      integer :: first, last

      do first = 1, size(cost), lanes
         last = min(first + lanes - 1, size(cost))
         if (present(gradient)) then
            call self%evaluate_block_gradient(points(:, first:last), cost(first:last), gradient(:, first:last))
         else
            call self%evaluate_block(points(:, first:last), cost(first:last))
         end if
      end do
      call self%add_prior(points, cost, gradient)
   end subroutine evaluate

   !> The normal part of the prior; where it is uniform it adds nothing.
   pure subroutine add_prior(self, points, cost, gradient)
      class(site_posterior), intent(in) :: self
      real(dp), intent(in) :: points(:, :)
      real(dp), intent(inout) :: cost(:)
      real(dp), intent(inout), optional :: gradient(:, :)
      real(dp) :: pull(n_parameters)
      integer :: i

      do i = 1, size(cost)
         pull = self%prior_precision*(points(:, i) - self%prior_centre)
         cost(i) = cost(i) + 0.5_dp*sum(pull*(points(:, i) - self%prior_centre))
         if (present(gradient)) gradient(:, i) = gradient(:, i) + pull
      end do
   end subroutine add_prior

   subroutine evaluate_block(self, points, cost)
      class(site_posterior), intent(inout) :: self
      real(dp), intent(in) :: points(:, :)
      real(dp), intent(out) :: cost(:)
      real(dp) :: soc(lanes, n_layers)
      integer :: lane

      do lane = 1, lanes
         call assemble_lane(lane, self%lower + self%width*points(:, min(lane, size(cost))), self%climate, &
            self%exchange, self%input, self%coefficients)
      end do
      call complete_block(self%coefficients)
      call solve_steady_state(self%coefficients, self%factors, self%solution)
      call soil_carbon_of(self%coefficients, self%solution, soc)
      do lane = 1, size(cost)
         call self%observations%cost(soc(lane, :), cost(lane))
      end do
   end subroutine evaluate_block

   subroutine evaluate_block_gradient(self, points, cost, gradient)
      class(site_posterior), intent(inout) :: self
      real(dp), intent(in) :: points(:, :)
      real(dp), intent(out) :: cost(:)
      real(dp), intent(out) :: gradient(:, :)
      real(dp) :: soc(lanes, n_layers), soc_bar(lanes, n_layers), bar(n_layers), parameter_bar(lanes, n_parameters)
      integer :: lane

      do lane = 1, lanes
         call assemble_lane_slopes(lane, self%lower + self%width*points(:, min(lane, size(cost))), self%climate, &
            self%exchange, self%input, self%coefficients, self%slopes)
      end do
      call complete_block(self%coefficients)
      call solve_steady_state(self%coefficients, self%factors, self%solution)
      call soil_carbon_of(self%coefficients, self%solution, soc)
      soc_bar = 0.0_dp
      do lane = 1, size(cost)
         call self%observations%cost(soc(lane, :), cost(lane), bar)
         soc_bar(lane, :) = bar
      end do
      call solve_adjoint(self%coefficients, self%factors, self%solution, soc_bar, self%gradient)
      call parameter_gradient(self%coefficients, self%slopes, self%gradient, parameter_bar)
      do lane = 1, size(cost)
         gradient(:, lane) = parameter_bar(lane, :)*self%width
      end do
   end subroutine evaluate_block_gradient

end module site_density
